import readline from "node:readline";
import type { Display } from "../support/display.ts";
import { startDisplay } from "../support/display.ts";
import type { LaunchedApp } from "../support/launch-app.ts";
import { answerFolderDialog, launchApp } from "../support/launch-app.ts";
import type { DriverAnswer, DriverRequest } from "./driver-messages.ts";

/**
 * Runs inside one network namespace, starts Electron there and does what the test says: one JSON request a line on
 * stdin, one JSON answer a line on stdout. Playwright talks to Electron over loopback, which namespaces keep apart.
 */

interface Running {
  readonly display: Display;
  readonly app: LaunchedApp;
}

let running: Running | undefined;

const app = (): LaunchedApp => {
  if (running === undefined) throw new Error("the app is not running");
  return running.app;
};

const launch = async (request: Extract<DriverRequest, { method: "launch" }>): Promise<null> => {
  const display = await startDisplay();
  running = { display, app: await launchApp({ ...request.options, display: display.name }) };
  return null;
};

const close = async (kill: boolean): Promise<null> => {
  if (running === undefined) return null;
  const { app: current, display } = running;
  running = undefined;
  if (kill) {
    const child = current.application.process();
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  } else await current.application.close();
  display.close();
  return null;
};

const perform = async (request: DriverRequest): Promise<unknown> => {
  switch (request.method) {
    case "launch":
      return launch(request);
    case "close":
      return close(false);
    case "kill":
      return close(true);
    case "log":
      return app().log();
    case "processId":
      return app().application.process().pid;
    case "click":
      return app().page.locator(request.selector).click();
    case "fill":
      return app().page.locator(request.selector).fill(request.text);
    case "type":
      return app()
        .page.locator(request.selector)
        .pressSequentially(request.text, { delay: request.delayMs ?? 0 });
    case "select":
      return app().page.locator(request.selector).selectOption(request.value);
    case "press":
      return app().page.keyboard.press(request.key);
    case "text":
      return app().page.locator(request.selector).innerText();
    case "count":
      return app().page.locator(request.selector).count();
    case "waitFor":
      return app()
        .page.locator(request.selector)
        .waitFor({ state: request.state ?? "visible", timeout: request.timeoutMs ?? 30_000 });
    case "invoke":
      return app().page.evaluate(
        ({ name, input }) =>
          (
            globalThis as unknown as { p2pcollab: { invoke: (name: string, input: unknown) => Promise<unknown> } }
          ).p2pcollab.invoke(name, input),
        { name: request.name, input: request.input },
      );
    case "evaluate":
      return app().page.evaluate(request.expression);
    case "reload":
      await app().page.reload();
      return null;
    case "chooseFolder":
      return answerFolderDialog(app().application, request.folder);
    case "theme":
      return app().page.emulateMedia({ colorScheme: request.theme });
    case "screenshot":
      await app().page.screenshot({ path: request.file });
      return null;
  }
};

const answer = (message: DriverAnswer): void => {
  process.stdout.write(`${JSON.stringify(message)}\n`);
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { id, request } = JSON.parse(line) as { readonly id: number; readonly request: DriverRequest };
  try {
    answer({ id, ok: true, value: (await perform(request)) ?? null });
  } catch (cause) {
    answer({ id, ok: false, message: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) });
  }
}
await close(false);
process.exit(0);
