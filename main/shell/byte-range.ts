/** What part of a file a request asks for; `end` is exclusive. */
export type ByteRange =
  | { readonly type: "whole" }
  | { readonly type: "part"; readonly start: number; readonly end: number }
  | { readonly type: "unsatisfiable" };

/** Reads a Range header with one range of bytes (RFC 9110 section 14.2); any other form means the whole file. */
export const parseByteRange = (header: string | null, size: number): ByteRange => {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "");
  const [, first = "", last = ""] = match ?? [];
  if (match === null || (first === "" && last === "")) return { type: "whole" };
  if (first === "") {
    const start = Math.max(0, size - Number(last));
    return start < size ? { type: "part", start, end: size } : { type: "unsatisfiable" };
  }
  const start = Number(first);
  const end = last === "" ? size : Math.min(size, Number(last) + 1);
  if (start >= size) return { type: "unsatisfiable" };
  return end > start ? { type: "part", start, end } : { type: "whole" };
};
