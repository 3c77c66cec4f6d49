"""Short sessions composed of calls that are known to work, for what tasks still lack: state, flows across servers, proof."""
