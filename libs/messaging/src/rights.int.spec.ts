import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  BROKER_RIGHTS,
  CONSUMERS,
  inboxPrefixOf,
  SUBJECT_COMMANDS,
  SUBJECT_FEED,
  subjectOfQuery,
  subjectOfWork,
  type CommandEnvelope,
  type TenantId,
} from '@taskmaster/contracts';
import { startNats, type NatsServer } from '@taskmaster/provision';
import { runSubdirectory } from '@taskmaster/testing';
import { connect, Events, type NatsConnection } from 'nats';
import { connectBroker } from './broker.js';
import { NatsCommandSender } from './command-sender.js';
import { NatsQueryAsker } from './query-asker.js';

const SERVICES = ['state-service', 'nlp-service', 'agent-coordinator', 'gateway'] as const;
type Service = (typeof SERVICES)[number];

let server: NatsServer;
const connections = new Map<Service, NatsConnection>();
/** What the server has refused to each. */
const refusals = new Map<Service, string[]>();

beforeAll(async () => {
  const users = Object.entries(BROKER_RIGHTS).map(([name, rights]) => ({ name, ...rights }));
  server = await startNats({ directory: await runSubdirectory('brokers'), users });
  for (const service of SERVICES) {
    const connection = await connectBroker({ url: server.urlOf(service), name: service });
    const refused: string[] = [];
    connections.set(service, connection);
    refusals.set(service, refused);
    void (async () => {
      for await (const { type, permissionContext } of connection.status())
        if (type === Events.Error && permissionContext !== undefined)
          refused.push(`${permissionContext.operation} ${permissionContext.subject}`);
    })();
  }
});
afterAll(async () => {
  await Promise.all([...connections.values()].map((connection) => connection.close()));
  await server.stop();
});

const of = (service: Service): NatsConnection => connections.get(service) as NatsConnection;

/** Whether the server lets a service do that; a round trip later it has said so. */
async function may(service: Service, operation: 'publish' | 'subscribe', subject: string): Promise<boolean> {
  const connection = of(service);
  const before = refusals.get(service)?.length ?? 0;
  if (operation === 'publish') connection.publish(subject, 'x');
  else connection.subscribe(subject, { callback: () => undefined }).unsubscribe(1);
  await connection.flush();
  await connection.rtt();
  return (refusals.get(service)?.length ?? 0) === before;
}

describe('the rights of services on the broker', () => {
  it.each([
    ['gateway', 'publish', subjectOfWork('agent')],
    ['gateway', 'publish', SUBJECT_FEED],
    ['gateway', 'publish', '$JS.API.STREAM.DELETE.TM_WORK_1'],
    ['gateway', 'publish', '$JS.API.CONSUMER.MSG.NEXT.TM_WORK_1.agent-coordinator_assign'],
    ['gateway', 'subscribe', SUBJECT_COMMANDS],
    ['gateway', 'subscribe', `${inboxPrefixOf('state-service')}.>`],
    ['gateway', 'subscribe', '>'],
    ['nlp-service', 'publish', SUBJECT_FEED],
    ['nlp-service', 'publish', subjectOfWork('requirements')],
    ['nlp-service', 'publish', '$JS.API.STREAM.PURGE.TM_WORK_1'],
    ['nlp-service', 'publish', '$JS.API.CONSUMER.MSG.NEXT.TM_WORK_1.agent-coordinator_assign'],
    ['nlp-service', 'publish', '$JS.ACK.TM_WORK_1.agent-coordinator_assign.1.1.1.1.0'],
    ['nlp-service', 'subscribe', SUBJECT_FEED],
    ['nlp-service', 'subscribe', SUBJECT_COMMANDS],
    ['nlp-service', 'subscribe', subjectOfQuery('GetWorkflow')],
    ['agent-coordinator', 'publish', '$JS.API.CONSUMER.MSG.NEXT.TM_WORK_1.nlp-service_interpret'],
    ['agent-coordinator', 'publish', '$JS.API.STREAM.CREATE.TM_WORK_2'],
    ['agent-coordinator', 'subscribe', '_INBOX.>'],
    ['state-service', 'publish', SUBJECT_COMMANDS],
    ['state-service', 'subscribe', `${inboxPrefixOf('gateway')}.>`],
  ] as const)('%s may not %s %s', async (service, operation, subject) => {
    expect(await may(service, operation, subject)).toBe(false);
  });

  it('let each do what it is for', async () => {
    for (const service of ['gateway', 'nlp-service', 'agent-coordinator'] as const) {
      expect(await may(service, 'publish', SUBJECT_COMMANDS)).toBe(true);
      expect(await may(service, 'publish', subjectOfQuery('GetWorkflow'))).toBe(true);
      expect(await may(service, 'subscribe', `${inboxPrefixOf(service)}.>`)).toBe(true);
    }
    for (const { name } of CONSUMERS) {
      const service = name.split('_')[0] as Service;
      expect(await may(service, 'publish', `$JS.API.CONSUMER.MSG.NEXT.TM_WORK_7.${name}`)).toBe(true);
      expect(await may(service, 'publish', `$JS.ACK.TM_WORK_7.${name}.1.1.1.1.0`)).toBe(true);
    }
    expect(await may('gateway', 'subscribe', SUBJECT_FEED)).toBe(true);
    for (const subject of [SUBJECT_COMMANDS, subjectOfQuery('ListAgents')])
      expect(await may('state-service', 'subscribe', subject)).toBe(true);
  });

  it('let the answer to a question and to a command reach the one who asked', async () => {
    const answering = of('state-service').subscribe(subjectOfQuery('ListAgents'), {
      callback: (_error, message) => message.respond(JSON.stringify({ answer: { items: [] } })),
    });
    const deciding = of('state-service').subscribe(SUBJECT_COMMANDS, {
      callback: (_error, message) => message.respond(JSON.stringify({ answers: [{ outcome: 'noop' }] })),
    });
    await of('state-service').flush();
    for (const service of ['gateway', 'nlp-service', 'agent-coordinator'] as const) {
      const tenantId = 'default' as TenantId;
      expect(await new NatsQueryAsker(of(service)).ask('ListAgents', { tenantId })).toEqual({ items: [] });
      expect(await new NatsCommandSender(of(service)).send({ tenantId } as CommandEnvelope)).toEqual({ outcome: 'noop' });
    }
    answering.unsubscribe();
    deciding.unsubscribe();
  });

  it('belong to whoever knows the password of that user', async () => {
    const { host, password } = new URL(server.urlOf('gateway'));
    await expect(connect({ servers: host, user: 'state-service', pass: password })).rejects.toThrow(/authorization/i);
    await expect(connect({ servers: host })).rejects.toThrow(/authorization/i);
  });
});
