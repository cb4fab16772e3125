"""The recipes that come with the package, one YAML file for each data set."""
