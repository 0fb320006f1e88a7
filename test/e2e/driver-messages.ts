import type { LaunchOptions } from "../support/launch-app.ts";

/** What a test asks the driver of one namespace to do; selectors are Playwright's. */
export type DriverRequest =
  | { readonly method: "launch"; readonly options: Omit<LaunchOptions, "display"> }
  | { readonly method: "close" | "kill" | "log" | "processId" | "reload" }
  | { readonly method: "click" | "text" | "count"; readonly selector: string }
  | { readonly method: "fill"; readonly selector: string; readonly text: string }
  | { readonly method: "type"; readonly selector: string; readonly text: string; readonly delayMs?: number }
  | { readonly method: "select"; readonly selector: string; readonly value: string }
  | { readonly method: "press"; readonly key: string }
  | {
      readonly method: "waitFor";
      readonly selector: string;
      readonly state?: "visible" | "hidden" | "attached" | "detached";
      readonly timeoutMs?: number;
    }
  | { readonly method: "invoke"; readonly name: string; readonly input: unknown }
  | { readonly method: "evaluate"; readonly expression: string }
  | { readonly method: "chooseFolder"; readonly folder: string }
  | { readonly method: "theme"; readonly theme: "light" | "dark" }
  | { readonly method: "screenshot"; readonly file: string };

export type DriverAnswer =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly message: string };
