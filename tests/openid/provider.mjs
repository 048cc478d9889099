// An OpenID provider that signs in whoever is named in PEOPLE: `node provider.mjs REDIRECT_URL`, where REDIRECT_URL is
// what Limen sends people back to. Prints its own URL once it listens, on a port that is free.
// FORGED=1: the keys that it publishes are not those that it signs with. POST=1: it takes the client's secret in the
// body alone. USERINFO=1: groups are told to whoever asks for them, and stand in no ID token.

import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const PEOPLE = {
  ann: { preferred_username: "ann", groups: ["security-desk", "everybody"] },
  bob: { preferred_username: "bob", groups: ["it"] },
  eve: { preferred_username: "eve", groups: ["everybody"] },
};

const [redirect] = process.argv.slice(2);
const key = () => ({ ...generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" }), use: "sig", alg: "ES256", kid: "1" });
const { d, ...forged } = key();

const server = createServer((request, response) => {
  // Somebody's groups are changed in the directory: /people/NAME?groups=a,b
  const url = new URL(request.url, issuer);
  const name = url.pathname.match(/^\/people\/(\w+)$/)?.[1];
  if (name) {
    PEOPLE[name].groups = url.searchParams.get("groups").split(",").filter(Boolean);
    response.end();
  } else if (process.env.FORGED && url.pathname === "/jwks") {
    response.setHeader("content-type", "application/json").end(JSON.stringify({ keys: [forged] }));
  } else provider.callback()(request, response);
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const issuer = `http://localhost:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: "limen",
    client_secret: "between the two of us",
    redirect_uris: [redirect],
    token_endpoint_auth_method: process.env.POST ? "client_secret_post" : "client_secret_basic",
    id_token_signed_response_alg: "ES256",
  }],
  clientAuthMethods: [process.env.POST ? "client_secret_post" : "client_secret_basic"],
  jwks: { keys: [key()] },
  claims: { openid: ["sub"], profile: ["preferred_username", "groups"], email: ["email"] },
  conformIdTokenClaims: Boolean(process.env.USERINFO),
  findAccount: (_, id) => PEOPLE[id] && { accountId: id, claims: () => ({ sub: id, ...PEOPLE[id] }) },
  cookies: { keys: ["not for long"] },
  pkce: { required: () => true, methods: ["S256"] },
  // Nobody is asked whether Limen may know what they are.
  async loadExistingGrant({ oidc }) {
    const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
    grant.addOIDCScope("openid profile email");
    await grant.save();
    return grant;
  },
});

console.log(issuer);
