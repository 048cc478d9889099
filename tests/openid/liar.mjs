// An OpenID provider that signs whatever it is told to, for whoever comes: `node liar.mjs`. Prints its own URL once it
// listens. What is POSTed to /says as JSON goes into the next ID tokens in the place of what is true; null: left out.

import { generateKeyPairSync, sign } from "node:crypto";
import { createServer } from "node:http";

const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const base64 = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
let said = {};

/** An ID token of what is true but for what was said. */
function idToken(nonce) {
  const now = Math.floor(Date.now() / 1000);
  const truth = { iss: issuer, aud: "limen", sub: "ann", iat: now, exp: now + 300, nonce, preferred_username: "ann", groups: ["it"] };
  const claims = Object.fromEntries(Object.entries({ ...truth, ...said }).filter(([, value]) => value !== null));
  const signed = `${base64({ alg: "ES256", kid: "1" })}.${base64(claims)}`;
  return `${signed}.${sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, issuer);
  let body = "";
  for await (const part of request) body += part;
  const answer = (value) => response.setHeader("content-type", "application/json").end(JSON.stringify(value));
  switch (url.pathname) {
    case "/.well-known/openid-configuration":
      return answer({
        issuer, authorization_endpoint: `${issuer}/auth`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks`,
        response_types_supported: ["code"], subject_types_supported: ["public"], id_token_signing_alg_values_supported: ["ES256"],
      });
    case "/jwks":
      return answer({ keys: [{ ...publicKey.export({ format: "jwk" }), use: "sig", alg: "ES256", kid: "1" }] });
    case "/auth": {
      const back = new URL(url.searchParams.get("redirect_uri"));
      // The code is the nonce, so that nothing need be kept.
      for (const [name, value] of [["code", url.searchParams.get("nonce")], ["state", url.searchParams.get("state")]]) back.searchParams.set(name, value);
      return response.writeHead(303, { location: back.href }).end();
    }
    case "/token":
      return answer({ access_token: "any", token_type: "Bearer", id_token: idToken(new URLSearchParams(body).get("code")) });
    case "/says":
      said = JSON.parse(body);
      return response.end();
    default:
      return response.writeHead(404).end();
  }
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const issuer = `http://localhost:${server.address().port}`;
console.log(issuer);
