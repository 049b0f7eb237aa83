/** What the module's providers are injected by. */
export const COMMAND_SENDER = Symbol('CommandSender');
export const QUERY_ASKER = Symbol('QueryAsker');
export const REQUEST_DEFAULTS = Symbol('RequestDefaults');
export const METRICS = Symbol('Metrics');
export const HEALTH = Symbol('Health');
