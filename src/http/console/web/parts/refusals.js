// Why somebody comes back from the OpenID provider and is not signed in, for people.

export const REFUSALS = new Map([
  ["busy", "Many sign in at this moment. Try again."],
  ["stale", "That took too long, or was begun in another window or at another address. Try again; your browser must take cookies."],
  ["declined", "You were not signed in there, or did not agree to it."],
  ["unavailable", "The provider does not answer, or refuses this service. Try again, or sign in with a key; an administrator finds more in the log."],
  ["unproved", "What the provider says of you could not be checked. An administrator finds more in the log."],
  ["no_role", "You are known there, but have no role here. Ask an administrator for one."],
  ["revoked", "An administrator has revoked your access."],
  ["failed", "The service could not sign you in. Try again."],
]);
