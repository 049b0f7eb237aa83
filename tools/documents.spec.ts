import { describe, expect, it } from '@jest/globals';
import { configurationDocument, environmentExample, type ServiceConfiguration } from './configuration-document.js';
import { eventsDocument } from './events-document.js';

const topology = {
  notices: ['StepReadied'],
  consumers: [{ name: 'a_worker', group: 'agent' }],
  versionOf: (type: string) => (type === 'StepReadied' ? 2 : 1),
};

describe('docs/events.md', () => {
  const document = eventsDocument(topology);
  const chapterOf = (type: string): string => document.split(`### ${type}\n`)[1]?.split('\n### ')[0] ?? '';

  it('has a chapter for every event of every stream', () => {
    for (const type of ['WorkflowRequested', 'StepSucceeded', 'AgentRegistered', 'ApiKeyRevoked'])
      expect(chapterOf(type)).toContain('```json');
  });

  it('says who is told, and the version', () => {
    expect(chapterOf('StepReadied')).toContain('Version 2 · stream `workflow-…` · told to: `a_worker` (`tm.work.agent`), live feed');
    expect(chapterOf('StepSkipped')).toContain('Version 1 · stream `workflow-…` · told to: live feed');
  });

  it('shows the shape of the data and an example that has every required field', () => {
    const chapter = chapterOf('StepFailed');
    expect(chapter).toContain('  error: StepError;');
    const example = JSON.parse(chapter.split('```json\n')[1]?.split('\n```')[0] ?? '') as {
      readonly stepId: unknown;
      readonly error: { readonly retryable: unknown };
    };
    expect(typeof example.stepId).toBe('string');
    expect(typeof example.error.retryable).toBe('boolean');
  });

  it('explains every named part once', () => {
    expect(document.match(/^interface StepError \{/gm)).toHaveLength(1);
  });
});

describe('docs/configuration.md and .env.example', () => {
  const port = {
    name: 'PORT',
    kind: 'integer',
    required: false,
    default: '3000',
    aliases: ['HTTP_PORT'],
    constraint: 'a whole number',
    doc: 'Where it listens.',
  };
  const token = { name: 'TOKEN', kind: 'secret', required: true, aliases: [], constraint: '', doc: 'Proves | who asks.' };
  const services: readonly ServiceConfiguration[] = [
    { service: 'gateway', variables: [port, token] },
    { service: 'other', variables: [port] },
  ];

  it('name every variable with its default, what it may be, and its other names', () => {
    const document = configurationDocument(services);
    expect(document).toContain('| `PORT` | `3000` | a whole number | Where it listens. Also read as `HTTP_PORT`. |');
    expect(document).toContain('| `TOKEN` | **required** | secret | Proves \\| who asks. |');
  });

  it('list a variable that two services read once', () => {
    const example = environmentExample(services);
    expect(example.match(/^# PORT=3000$/gm)).toHaveLength(1);
    expect(example).toContain('# Where it listens. (gateway, other; a whole number)');
  });
});
