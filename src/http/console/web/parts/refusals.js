// Why somebody comes back from the OpenID provider and is not signed in, for people.

export const REFUSALS = new Map([
  ["too_many", "Too many tried to sign in from here and failed. Try again in a minute."],
  ["stale", "That took too long, or was begun in another window. Try again."],
  ["declined", "You were not signed in there, or did not agree to it."],
  ["unavailable", "The provider does not answer. Try again, or sign in with a key."],
  ["unproved", "What the provider says of you could not be checked. An administrator finds more in the log."],
  ["no_role", "You are known there, but have no role here. Ask an administrator for one."],
  ["revoked", "An administrator has revoked your access."],
  ["failed", "The service could not sign you in. Try again."],
]);
