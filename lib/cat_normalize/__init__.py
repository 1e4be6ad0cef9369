"""A DynamoDB table of chatbot conversations, one typed row a user in Athena."""
