import { expect, test } from "vitest";
import { describeAttr, filterFromParams, filterToParams, filterToQuery, parseAttr } from "../../src/lib/filter";

test("a filter survives the address bar", () => {
  const address = "status=failed&status=dead&workflow=order&since=24h&tag=vip&tag=eu&attr=amount%3Agte%3A100";
  const filter = filterFromParams(new URLSearchParams(address));
  expect(filter.status).toEqual(["failed", "dead"]);
  expect(filterFromParams(filterToParams(filter))).toEqual(filter);
});

test("a status nobody knows is left out", () => {
  expect(filterFromParams(new URLSearchParams("status=exploded")).status).toEqual([]);
});

test("the API is given an instant for a moving window", () => {
  const filter = filterFromParams(new URLSearchParams("since=1h"));
  expect(filterToQuery(filter, Date.UTC(2026, 0, 1, 5)).since).toBe("2026-01-01T04:00:00.000Z");
  expect(filterToParams(filter).get("since")).toBe("1h");
});

test("conditions are typed as people write them", () => {
  expect(parseAttr("amount >= 100")).toBe("amount:gte:100");
  expect(parseAttr("region=eu:west")).toBe("region:eq:eu:west");
  expect(parseAttr("amount")).toBeNull();
  expect(describeAttr("region:ne:eu:west")).toBe("region ≠ eu:west");
});
