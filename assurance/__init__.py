"""What is proven of the templates: policies, permissions, alarms, and the API's documents."""
