"""Names of what a generator and a discriminator play for: configs read them without keras."""

OBJECTIVES = ("vanilla", "wgan_gp", "relativistic")
