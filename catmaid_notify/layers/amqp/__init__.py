"""AMQP for the RabbitMQ channel layer: connections, publishing, consuming, frames."""
