"""Channel layers: conformance to the specification, and regressions that channels_rabbitmq had."""
