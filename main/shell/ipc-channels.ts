/** The four messages between preload script and main process; operations are data inside them. */
export const INVOKE = "contract:invoke";
export const SUBSCRIBE = "contract:subscribe";
export const UNSUBSCRIBE = "contract:unsubscribe";
export const MESSAGE = "contract:message";
