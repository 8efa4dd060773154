"""The OpenAPI document, made from the registry: what is declared is what is served."""
