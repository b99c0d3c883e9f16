"""`report`: one HTML file for an auditor, made from the templates and, if asked, from AWS."""
