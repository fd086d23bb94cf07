// The line to the node.

async function ask(path, ms = 8000) {
  const res = await fetch(path, {
    signal: AbortSignal.timeout(ms),
    headers: { accept: 'application/json' },
    cache: 'no-store',
  });
  const body = await res.json().catch(() => ({}));
  if (!res.ok)
    throw Object.assign(new Error(body.detail || body.title || `the node answers ${res.status}`), {
      status: res.status,
      body,
    });
  return body;
}

async function overview() {
  const asked = performance.now();
  const o = await ask('api/overview');
  takeOverview(o, performance.now() - asked);
}

function heard() {
  S.heard = Math.round(S.now());
  if (S.quiet) {
    S.quiet = false;
    changed();
  }
}

/** Reads events until the line ends. Unlike EventSource it hears comments, and so silence. */
async function listen(connected, patience) {
  const stop = new AbortController();
  const hang = setTimeout(() => stop.abort(), patience);
  S.hangUp = () => stop.abort();
  const headers = { accept: 'text/event-stream' };
  if (S.cursor) headers['Last-Event-ID'] = S.cursor;
  const res = await fetch('api/mining/events', { headers, signal: stop.signal, cache: 'no-store' });
  clearTimeout(hang);
  if (!res.ok || !res.body) throw new Error(`the node answers ${res.status}`);
  heard();
  connected();
  const reader = res.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '',
    name = '',
    id = '',
    data = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    heard();
    const lines = (rest + value).split(/\r\n|\n|\r/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === '') {
        if (data.length) {
          try {
            takeEvent(name || 'message', id, JSON.parse(data.join('\n')));
          } catch (error) {
            console.warn('an event could not be read:', error.message);
          }
          changed();
        }
        name = '';
        id = '';
        data = [];
      } else if (line[0] !== ':') {
        const [, field, text] = /^([^:]*):? ?(.*)$/.exec(line);
        if (field === 'event') name = text;
        else if (field === 'data') data.push(text);
        else if (field === 'id') id = text;
      }
    }
  }
}

const WAITS = [1, 2, 4, 8, 15];
async function run() {
  for (let tries = 0; ; tries++) {
    try {
      await overview();
      await listen(() => {
        const first = S.link === 'wait';
        if (S.link !== 'on') note('connected', {});
        if (!first) say(`${meName(S)} answers again`);
        S.link = 'on';
        S.offSince = 0;
        S.nextTry = 0;
        tries = 0;
        changed();
      }, 5000);
    } catch (error) {
      if (error.status && S.link === 'wait') console.warn(error.message);
    }
    if (S.link === 'on') {
      S.link = 'lost';
      continue;
    }
    if (!S.offSince) {
      S.offSince = Math.round(S.heard || S.now());
      say(`No answer from ${meName(S)}`);
    }
    S.link = 'off';
    const wait = WAITS[Math.min(tries, WAITS.length - 1)] * 1000;
    S.nextTry = Math.round(S.now() + wait);
    changed();
    await new Promise((done) => setTimeout(done, wait));
    S.nextTry = 0;
    changed();
  }
}

/** A line that is open but silent: what is shown is old. */
function watchSilence() {
  if (S.link !== 'on') return;
  const silent = S.now() - S.heard;
  const p = S.chain?.params;
  const due = p ? p.block_interval_ms + p.jitter_max_ms + 2 * p.claim_timeout_ms + 2000 : 8000;
  const quiet = silent > (S.health?.state === 'fine' ? Math.max(due, 5000) : 20000);
  if (quiet !== S.quiet) {
    S.quiet = quiet;
    changed();
  }
  if (silent > 20000) S.hangUp();
}
