// Lets node import the console's modules by the addresses that browsers load them from:
// `node --import ./tests/console/assets.mjs --test tests/console/kiosk.test.mjs`.

import { register } from "node:module";

const web = new URL("../../src/http/console/web/", import.meta.url);
const hook = `export const resolve = (name, context, next) =>
  next(name.startsWith("/assets/") ? new URL(name.slice(8), ${JSON.stringify(web.href)}).href : name, context);
export const load = (url, context, next) => next(url, url.startsWith(${JSON.stringify(web.href)}) ? { ...context, format: "module" } : context);`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);
