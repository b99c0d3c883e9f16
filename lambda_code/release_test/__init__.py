"""release-test: tries the versions of a release before clients reach them."""
