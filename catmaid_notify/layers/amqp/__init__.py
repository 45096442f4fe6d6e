"""AMQP client of the RabbitMQ channel layer: connections, publishing, consuming, frames."""
