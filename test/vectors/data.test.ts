import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { proxyCheck } from "../../protocol/entry/item.ts";
import { hexToBytes } from "../../protocol/kernel/bytes.ts";
import { native, noble, withFlippedBit } from "../support/data-fixtures.ts";
import { runDataVectors } from "./run-data.ts";

const vectors = JSON.parse(readFileSync(new URL("data/data/data-vectors.json", import.meta.url), "utf8")) as Record<
  string,
  unknown
>;
const wire = hexToBytes(vectors["wire"] as string) as Uint8Array;

describe("data vectors", () => {
  for (const [name, crypto] of Object.entries({ native, noble })) {
    it(`I3 reproduces all of them byte for byte with the ${name} provider`, () => {
      const report = runDataVectors(vectors, crypto);
      expect(report.failures).toEqual([]);
      expect(report.passed).toBe(30);
    });
  }

  it("notices a wrong value anywhere", () => {
    const changed = (value: unknown): unknown => {
      if (typeof value === "string")
        return /^[0-9a-f]{8,}$/u.test(value) ? value.slice(0, -2) + (value.endsWith("00") ? "01" : "00") : value;
      if (typeof value === "number") return value + 1;
      if (Array.isArray(value)) return value.map(changed);
      return value;
    };
    const spoil = (path: readonly string[]): unknown => {
      const copy = structuredClone(vectors);
      const parent = path
        .slice(0, -1)
        .reduce<Record<string, unknown>>((node, key) => node[key] as Record<string, unknown>, copy);
      const last = path.at(-1) as string;
      parent[last] = changed(parent[last]);
      return copy;
    };
    const paths = Object.entries(vectors).flatMap(([key, value]) =>
      typeof value === "object" && value !== null && !Array.isArray(value)
        ? Object.keys(value).map((inner) => [key, inner])
        : [[key]],
    );
    for (const path of paths.filter(
      (one) => !["note", "suite", "version", "in", "ihdr_in", "bombDoc_1e6_chars"].includes(one.at(-1) as string),
    )) {
      expect(runDataVectors(spoil(path), native).failed, path.join(".")).toBeGreaterThan(0);
    }
  });

  it("refuses to pass over values it has no rule for", () => {
    for (const extra of [
      { novelty: "00".repeat(32) },
      { list: ["00".repeat(32)] },
      { group: { novelty: "00".repeat(32) } },
    ]) {
      expect(runDataVectors({ ...vectors, ...extra }, native).failed).toBe(1);
    }
    expect(
      runDataVectors(
        { ...vectors, automerge: { ...(vectors["automerge"] as object), surprise: "00".repeat(32) } },
        native,
      ).failed,
    ).toBe(1);
    expect(runDataVectors([vectors, vectors], native)).toMatchObject({ passed: 60, failed: 0 });
    expect(runDataVectors({ more: vectors }, native)).toMatchObject({ passed: 30, failed: 0 });
    expect(runDataVectors("nothing", native).failed).toBe(1);
  });

  it("I1 every single-bit change of the vector's wire is refused", () => {
    expect(proxyCheck(native, wire).ok).toBe(true);
    for (let bit = 0; bit < wire.length * 8; bit++)
      expect(proxyCheck(native, withFlippedBit(wire, bit)).ok, `bit ${bit}`).toBe(false);
  });
});
