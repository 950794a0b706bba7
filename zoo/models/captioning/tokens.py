"""What the numbers of a caption mean: constants that data, networks and the exported graph share."""

PADDING, UNKNOWN, START, END, FIRST_WORD = range(5)
