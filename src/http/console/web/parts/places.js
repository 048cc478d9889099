// The zones of the sites, by name.

import { all } from "/assets/parts/api.js";

/** Every zone by its id, as `Site · Zone`, in the order of those names. */
export async function zoneNames() {
  const [sites, zones] = await Promise.all([all("/v1/sites"), all("/v1/zones")]);
  const site = new Map(sites.map((each) => [each.site_id, each.name]));
  const named = zones.map((zone) => [zone.zone_id, `${site.get(zone.site_id) || "?"} · ${zone.name}`]);
  return new Map(named.sort(([, a], [, b]) => a.localeCompare(b)));
}
