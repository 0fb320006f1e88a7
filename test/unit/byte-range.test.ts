import { expect, test } from "vitest";
import { parseByteRange } from "../../main/shell/byte-range.ts";

test("one range of bytes is answered as RFC 9110 says, anything else with the whole", () => {
  const part = (start: number, end: number) => ({ type: "part", start, end });
  for (const [header, expected] of [
    [null, { type: "whole" }],
    ["bytes=0-", part(0, 1_000)],
    ["bytes=0-0", part(0, 1)],
    ["bytes=10-19", part(10, 20)],
    ["bytes=900-5000", part(900, 1_000)],
    ["bytes=-100", part(900, 1_000)],
    ["bytes=-5000", part(0, 1_000)],
    ["bytes=1000-", { type: "unsatisfiable" }],
    ["bytes=-0", { type: "unsatisfiable" }],
    ["bytes=20-10", { type: "whole" }],
    ["bytes=0-1,5-6", { type: "whole" }],
    ["bytes=-", { type: "whole" }],
    ["bytes=9999999999999999-", { type: "whole" }],
    ["items=0-1", { type: "whole" }],
  ] as const)
    expect(parseByteRange(header, 1_000), String(header)).toEqual(expected);
  expect(parseByteRange("bytes=0-", 0)).toEqual({ type: "unsatisfiable" });
});
