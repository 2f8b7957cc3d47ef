"""Tables, normal forms, refusals and settings: what usergraph keeps."""
