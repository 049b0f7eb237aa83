import { connectBroker } from '@taskmaster/messaging';
import {
  BATCH_MAX,
  COMMANDS,
  CONSUMER,
  REQUEST_MS_MAX,
  STREAM,
  type FloorCommand,
  type FloorInput,
  type FloorNotice,
} from './floor-messages.js';
import { announce, roleInput } from './role.js';

/** What waits while so many requests are in flight travels together in the next. */
const REQUESTS_MAX = 2;
const MESSAGES_MAX = 512;

const { natsUrl } = roleInput<FloorInput>();
const broker = await connectBroker({ url: natsUrl, name: 'floor-worker' });
const consumer = await broker.jetstream().consumers.get(STREAM, CONSUMER);
const outbox: { readonly command: FloorCommand; readonly sent: () => void }[] = [];
let inFlight = 0;

async function drain(): Promise<void> {
  inFlight += 1;
  while (outbox.length > 0) {
    const batch = outbox.splice(0, BATCH_MAX);
    await broker.request(COMMANDS, JSON.stringify(batch.map(({ command }) => command)), { timeout: REQUEST_MS_MAX });
    for (const { sent } of batch) sent();
  }
  inFlight -= 1;
}

const pump = (): void => {
  if (inFlight < REQUESTS_MAX && outbox.length > 0) void drain();
};

const complete = ({ workflow, step }: FloorNotice): Promise<void> =>
  new Promise((sent) => {
    outbox.push({ command: { kind: 'complete', workflow, step }, sent });
    setImmediate(pump);
  });

await consumer.consume({
  max_messages: MESSAGES_MAX,
  callback: (message) => {
    void Promise.all(message.json<readonly FloorNotice[]>().map(complete)).then(() => {
      message.ack();
    });
  },
});
announce();
