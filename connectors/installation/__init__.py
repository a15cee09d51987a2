"""What whoever runs this installation writes in CONNECTORS_FILE: the network policy and preconfigured connectors."""
