"""What happens to messages when something fails: load, faults one after another, and a checker over the logs."""
