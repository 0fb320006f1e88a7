// npm run sim -- --protocol cyclon --nodes 1000 --cycles 60 --seed 1 --json
import { type FlagSpec, parseFlags } from "./flags.ts";
import { commonFlags, scenarios } from "./scenarios/registry.ts";

const usage = (problem: string): never => {
  process.stderr.write(`${problem}\nusage: sim --protocol ${Object.keys(scenarios).join("|")} [flags] --json\n`);
  process.exit(2);
};

const main = (args: readonly string[]): void => {
  const at = args.indexOf("--protocol");
  const protocol = at < 0 ? undefined : args[at + 1];
  if (protocol === undefined || !Object.hasOwn(scenarios, protocol)) return usage("--protocol is missing or unknown");
  const scenario = scenarios[protocol]!;
  const specs: Record<string, FlagSpec> = { ...commonFlags, json: { type: "switch" }, ...scenario.flags };
  const parsed = parseFlags([...args.slice(0, at), ...args.slice(at + 2)], specs);
  if (!parsed.ok) return usage(parsed.problem);
  const { values } = parsed;
  const problem = scenario.problem?.(values);
  if (problem !== undefined) return usage(problem);
  const startedAt = performance.now();
  const figures = scenario.run(values);
  process.stderr.write(`wallMs ${Math.round(performance.now() - startedAt)}\n`);
  const report = { protocol, seed: values["seed"], nodes: values["nodes"], cycles: values["cycles"], ...figures };
  if (values["json"] === true) process.stdout.write(`${JSON.stringify(report)}\n`);
  else
    for (const [name, value] of Object.entries(report))
      if (name !== "series") process.stdout.write(`${name.padEnd(28)}${JSON.stringify(value)}\n`);
};

main(process.argv.slice(2));
