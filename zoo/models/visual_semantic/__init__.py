"""Pictures and sentences in one vector space, and search by what is removed and added."""
