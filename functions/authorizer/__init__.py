"""Who calls: the gateway's TOKEN authorizer."""
