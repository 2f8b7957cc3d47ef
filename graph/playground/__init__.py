"""The GraphQL page for browsers: GraphiQL, bundled at set-up, served without any other host."""
