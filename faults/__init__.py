"""Fault injection: load, faults one after another, and a checker that judges the messages by the logs."""
