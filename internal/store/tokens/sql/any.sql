-- Whether there is a token, or ever was.
SELECT EXISTS (SELECT FROM sluice.api_tokens);
