import { type CallToolResult, type InputRequiredResult, type InputResponses, isInputRequiredResult } from '@modelcontextprotocol/client';
import { type Redactor } from '../engine/auth/redactor.js';
import { type McpToolCall } from '../engine/mcp-port.js';
import { requestIssues } from '../engine/playbook/input-requests.js';
import { type ActionAsk, type AnsweredAsk, StepFailure } from '../engine/step-executor.js';
import { isObject, type Json, type JsonObject } from '../engine/values.js';
import { type CallRound } from './connection.js';

/** Characters of what a tool asks, and of the state that it wants back. */
const MOST_CHARACTERS = 64 * 1024;
/** A tool that asks nothing may want to be called again so often. */
const MOST_EMPTY_ROUNDS = 10;

/**
 * A call, with the answers to what it asked before. A tool that asks nothing and only wants to be called again with its state is, at once.
 * @param call one round
 */
export async function lastRound(
  call: (again: CallRound['again']) => Promise<CallToolResult | InputRequiredResult>,
  answered: AnsweredAsk | null,
): Promise<CallToolResult | InputRequiredResult> {
  let again: CallRound['again'] =
    answered === null ? {} : { inputResponses: answered.answers as InputResponses, ...stateOf(answered.state) };
  for (let round = 0; ; round += 1) {
    const result = await call(again);
    if (!isInputRequiredResult(result) || Object.keys(result.inputRequests ?? {}).length > 0 || round === MOST_EMPTY_ROUNDS) return result;
    again = stateOf(result.requestState ?? null);
  }
}

/** What a tool asks, for people to answer. Throws StepFailure `tool_needs_input` for what cannot be asked: elsewhere than in a step of its own, and anything but forms. */
export function questionsOf(result: InputRequiredResult, redactor: Redactor, { server, context }: McpToolCall, tool: string): ActionAsk {
  const refused = (why: string): StepFailure =>
    new StepFailure('tool_needs_input', `The tool ${tool} of ${server} asks for input in the middle of its call, ${why}.`, {
      retryable: false,
    });
  if (!context.mayAsk) throw refused('which it can only where it is a step of its own');
  const asked = (result.inputRequests ?? {}) as unknown as JsonObject;
  const requests = Object.fromEntries(Object.entries(asked).map(([name, request]) => [name, formOf(request)]));
  if (Object.values(requests).includes(null)) throw refused('for something else than a form to be filled in');
  const [issue] = requestIssues(requests);
  if (issue) throw refused(`which is not sound: ${issue.pointer ?? ''} ${issue.message}`.replace(/\.$/, ''));
  const state = result.requestState ?? null;
  if (JSON.stringify(requests).length > MOST_CHARACTERS || (state?.length ?? 0) > MOST_CHARACTERS)
    throw refused(`with more than ${MOST_CHARACTERS} characters`);
  return { requests: redactor.value(requests) as JsonObject, state };
}

function formOf(request: Json): JsonObject | null {
  if (!isObject(request) || request['method'] !== 'elicitation/create' || !isObject(request['params'])) return null;
  const { params } = request;
  return (params['mode'] ?? 'form') === 'form' ? { method: 'elicitation/create', params } : null;
}

const stateOf = (state: Json): { requestState?: string } => (typeof state === 'string' ? { requestState: state } : {});
