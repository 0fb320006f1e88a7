import { stripVTControlCharacters } from "node:util";

/** Lines a failure is told in; the whole of it stands further up. */
const LINES = 4;

const told = (name, message) =>
  [
    `- ${name}`,
    ...stripVTControlCharacters(message)
      .split("\n")
      .filter(Boolean)
      .slice(0, LINES)
      .map((line) => `    ${line}`),
  ].join("\n");

/** What failed in a JSON report of vitest, a text each. */
export const vitestFailures = (report) =>
  report.testResults.flatMap(({ name, message, assertionResults }) => {
    const failed = assertionResults.filter(({ status }) => status === "failed");
    if (failed.length === 0 && message) return [told(name, message)];
    return failed.map(({ fullName, failureMessages }) => told(fullName, failureMessages.join("\n")));
  });

const specs = (suite) => [...(suite.specs ?? []), ...(suite.suites ?? []).flatMap(specs)];

/** What failed in a JSON report of Playwright, a text each. */
export const playwrightFailures = (report) =>
  specs(report)
    .filter(({ ok }) => !ok)
    .map(({ title, tests }) =>
      told(
        title,
        tests.flatMap(({ results }) => results.flatMap(({ errors }) => errors.map((e) => e.message ?? ""))).join("\n"),
      ),
    );
