import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createNativeProvider } from "../../main/adapters/native-crypto.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { runNoiseVectors } from "./run-noise.ts";

const read = (): Record<string, unknown> =>
  JSON.parse(readFileSync(new URL("./data/noise/noise-public.json", import.meta.url), "utf8")) as Record<
    string,
    unknown
  >;
const noble = createNobleProvider();

test.each([
  ["native", createNativeProvider(noble)],
  ["noble", noble],
])("NSE-1 NSK-1 every published Noise and NoiseSocket vector is reproduced with %s", (_, crypto) => {
  expect(runNoiseVectors(read(), crypto)).toEqual({ passed: 1982, failed: 0, failures: [] });
});

test("the runner fails a vector with one wrong byte in each category, and a file without vectors", () => {
  const file = read();
  const spoilt: Record<string, unknown> = {};
  for (const [category, vectors] of Object.entries(file)) {
    if (!Array.isArray(vectors)) continue;
    const withHex = JSON.stringify(vectors[0]).replace(
      /"(ciphertext|message|noise_message)":"([0-9a-f])/,
      (_, field: string, digit: string) => `"${field}":"${digit === "0" ? "1" : "0"}`,
    );
    spoilt[category] = [JSON.parse(withHex.replaceAll('"expect":"error"', '"expect":"ok"'))];
  }
  const report = runNoiseVectors(spoilt, createNativeProvider(noble));
  expect(report.passed).toBe(0);
  expect(report.failed).toBe(6);
  expect(runNoiseVectors({}, noble).failed).toBe(1);
});
