/** Whether times are shown in the browser's own zone or in UTC. */
import { useCell } from "./cell";
import { keptCell } from "./kept";

export const ZONES = ["local", "utc"] as const;
export type Zone = (typeof ZONES)[number];

export const zone = keptCell<Zone>("durable.zone", "local", (kept) => ZONES.find((known) => known === kept) ?? null);

/** Draws again when the reader chooses another zone. */
export const useZone = (): Zone => useCell(zone);

/** "UTC", "Europe/Berlin". */
export function zoneName(): string {
  return zone.get() === "utc" ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone;
}
