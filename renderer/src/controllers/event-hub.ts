import type { Api } from "../../../app/contract/create-api.ts";
import type { ContractError } from "../../../app/contract/errors.ts";
import type { AppEvent } from "../../../app/contract/types.ts";

type EventOf<Type extends AppEvent["type"]> = Extract<AppEvent, { readonly type: Type }>;

/** The one `events` stream of the window, dealt out by type. */
export interface EventHub {
  readonly on: <Type extends AppEvent["type"]>(type: Type, listener: (event: EventOf<Type>) => void) => () => void;
  readonly stop: () => void;
}

export const createEventHub = (api: Api, onFailure: (error: ContractError) => void): EventHub => {
  const listenersByType = new Map<AppEvent["type"], Set<(event: never) => void>>();
  const stop = api.subscribe("events", undefined, (message) => {
    if (!message.ok) {
      onFailure(message.error);
      return;
    }
    for (const listener of listenersByType.get(message.value.type) ?? []) listener(message.value as never);
  });
  return {
    on: (type, listener) => {
      const listeners = listenersByType.get(type) ?? new Set();
      listenersByType.set(type, listeners);
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stop,
  };
};
