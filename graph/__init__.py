"""What usergraph says: the schema, the HTTP it is served over, and the commands."""
