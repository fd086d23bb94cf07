// The commands of the panels.

const quote = (text) => `'${text}'`;
const grpc = (port, method, body) =>
  `grpcurl -plaintext -d ${quote(JSON.stringify(body))} ${location.hostname}:${port} ${method}`;
const curl = (path, more = '') =>
  `curl -s${more} ${/[?&]/.test(path) ? quote(location.origin + path) : location.origin + path}`;
const chainCall = (method, body) => grpc(50051, 'vision.chain.v1.ChainService/' + method, body);
const COMMANDS = {
  next: () => curl('/api/mining/schedule'),
  blocks: () => curl('/api/mining/history?limit=64'),
  nodes: () => curl('/api/peers'),
  events: () => curl('/api/mining/events', 'N'),
  tree: () => chainCall('GetForkTree', { heights: 16 }),
  stats: () => curl('/api/mining/stats'),
  interval: () => curl('/api/chain/blocks?before=' + ((headOf(S)?.height || 0) + 1) + '&limit=64'),
  propagation: () => chainCall('GetPropagation', {}),
  pending: () => curl('/api/transactions/pending'),
  file: () =>
    `curl -s "${location.origin}/api/transactions?data_prefix=${DIGEST}$(sha256sum FILE | cut -c1-64)"`,
  status: () => curl('/api/overview'),
};

function commandLine(text) {
  const copy = h('button', { type: 'button', class: 'copy', 'aria-label': 'Copy the command' }, 'Copy');
  copy.addEventListener('click', async () => {
    const code = copy.previousSibling;
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      getSelection().selectAllChildren(code);
      document.execCommand('copy');
    }
    copy.textContent = 'Copied';
    say('Copied');
    setTimeout(() => {
      copy.textContent = 'Copy';
    }, 2000);
  });
  return h('div', { class: 'line' }, h('code', { tabindex: '0', role: 'region', 'aria-label': 'Command' }, text), copy);
}

function commandButton(panel, make, name) {
  const head = panel.querySelector('.head');
  const button = h(
    'button',
    {
      type: 'button',
      class: 'cmd',
      'aria-expanded': 'false',
      'aria-label': 'Command for ' + name,
      title: 'The command that gives the same answer',
    },
    '>_',
  );
  button.addEventListener('click', () => {
    const open = button.getAttribute('aria-expanded') === 'true';
    button.setAttribute('aria-expanded', String(!open));
    if (open) panel.querySelector('.line').remove();
    else head.after(commandLine(make()));
  });
  head.append(button);
}
