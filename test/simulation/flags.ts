/** One command-line flag: how it is read and what it may be. */
export type FlagSpec =
  | { readonly type: "integer"; readonly minimum: number; readonly maximum: number; readonly initial: number }
  | { readonly type: "number"; readonly minimum: number; readonly maximum: number; readonly initial: number }
  | { readonly type: "choice"; readonly choices: readonly string[]; readonly initial: string }
  | { readonly type: "switch" };

export type FlagValues = Readonly<Record<string, number | string | boolean>>;
export type ParsedFlags =
  | { readonly ok: true; readonly values: FlagValues; readonly given: ReadonlySet<string> }
  | { readonly ok: false; readonly problem: string };

/** Reads `--name value` pairs; whatever is unknown, repeated, malformed or out of range is an error. */
export const parseFlags = (args: readonly string[], specs: Readonly<Record<string, FlagSpec>>): ParsedFlags => {
  const values: Record<string, number | string | boolean> = {};
  const given = new Set<string>();
  for (const [name, spec] of Object.entries(specs)) values[name] = spec.type === "switch" ? false : spec.initial;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    const name = arg.startsWith("--") ? arg.slice(2) : "";
    const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
    if (spec === undefined) return { ok: false, problem: `unknown argument ${arg}` };
    if (given.has(name)) return { ok: false, problem: `--${name} given twice` };
    given.add(name);
    if (spec.type === "switch") {
      values[name] = true;
      continue;
    }
    const text = args[++i];
    if (text === undefined) return { ok: false, problem: `--${name} needs a value` };
    if (spec.type === "choice") {
      if (!spec.choices.includes(text)) return { ok: false, problem: `--${name} is one of ${spec.choices.join(", ")}` };
      values[name] = text;
      continue;
    }
    const value = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= spec.minimum && value <= spec.maximum) || (spec.type === "integer" && !Number.isInteger(value)))
      return {
        ok: false,
        problem: `--${name} is ${spec.type === "integer" ? "an integer" : "a number"} from ${spec.minimum} to ${spec.maximum}`,
      };
    values[name] = value;
  }
  return { ok: true, values, given };
};
