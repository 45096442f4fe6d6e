"""HTTP views: inbox, last values of topics, modules of the browser client."""
