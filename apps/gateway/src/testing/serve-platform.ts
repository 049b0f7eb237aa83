import {
  QUERY_TYPES,
  SUBJECT_COMMANDS,
  SUBJECT_FEED,
  SUBJECT_FEED_ENDED,
  subjectOfQuery,
  type CommandRequest,
} from '@taskmaster/contracts';
import type { Broker } from '../broker-feed.js';
import type { InMemoryPlatform } from './in-memory-platform.js';

/** Serves the platform in memory over the broker, as state-service does. */
export function servePlatform(platform: InMemoryPlatform, connection: Broker): void {
  const text = (data: Uint8Array): string => Buffer.from(data).toString();
  connection.subscribe(SUBJECT_COMMANDS, {
    callback: (_error, message) => {
      const { commands } = JSON.parse(text(message.data)) as CommandRequest;
      void Promise.all(commands.map((command) => platform.send(command))).then((answers) => message.respond(JSON.stringify({ answers })));
    },
  });
  for (const query of QUERY_TYPES) {
    connection.subscribe(subjectOfQuery(query), {
      callback: (_error, message) => {
        void platform.ask(query, JSON.parse(text(message.data)) as never).then((answer) => message.respond(JSON.stringify({ answer })));
      },
    });
  }
  platform.onEvents((message) => {
    connection.publish(SUBJECT_FEED, JSON.stringify(message));
  });
  platform.onEnded((ended) => {
    connection.publish(SUBJECT_FEED_ENDED, JSON.stringify(ended));
  });
}
