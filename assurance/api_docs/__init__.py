"""The published description of the API, made from what the functions and API Gateway use."""
