"""Pictures for people: contact sheets of data sets, and heat maps laid over images."""
