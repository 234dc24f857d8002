"""What the subcommands of `depthlib` do, above all the other parts."""
