"""What usergraph decides: rights, filters, loading in batches, and every change."""
