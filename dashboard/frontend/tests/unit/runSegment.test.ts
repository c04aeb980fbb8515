import { describe, expect, it } from "vitest";
import { runIdOf, runSegment } from "../../src/lib/runSegment";

describe("a run's id in a path", () => {
  it.each([
    ["order-1", "order-1"],
    ["/lead", "%2Flead"],
    ["x/stream", "x%2Fstream"],
    ["a/../b", "~x612f2e2e2f62"],
    ["a\nb", "~x610a62"],
    ["..", "~x2e2e"],
    ["by-id", "~x62792d6964"],
    ["~x61", "~x7e783631"],
    ["größe", "gr%C3%B6%C3%9Fe"],
  ])("%j is %s, and comes back", (id, segment) => {
    expect(runSegment(id)).toBe(segment);
    expect(runIdOf(decodeURIComponent(segment))).toBe(id);
  });

  it("what only looks like hex is an id", () => {
    expect(runIdOf("~xff")).toBe("~xff");
    expect(runIdOf("~x6")).toBe("~x6");
  });
});
