// The commands of the panels.

const quote = (text) => `'${text}'`;
/** Where a service listens is known by the gateway alone. */
const grpc = (url, method, body) => {
  const [, scheme, address] = /^(https?):\/\/([^/]+)/.exec(url) || [];
  const plain = scheme === 'https' ? '' : ' -plaintext';
  return `grpcurl${plain} -d ${quote(JSON.stringify(body))} ${address || 'ADDRESS_OF_THE_SERVICE'} ${method}`;
};
const curl = (path, more = '') =>
  `curl -s${more} ${/[?&]/.test(path) ? quote(location.origin + path) : location.origin + path}`;
const COMMANDS = {
  next: () => curl('/api/mining/schedule'),
  blocks: () => curl('/api/mining/history?limit=64'),
  nodes: () => curl('/api/nodes'),
  events: () => curl('/api/mining/events', 'N'),
  tree: () => curl('/api/chain/tree'),
  stats: () => curl('/api/mining/stats'),
  interval: () => curl('/api/chain/blocks?before=' + ((headOf(S)?.height || 0) + 1) + '&limit=64'),
  propagation: () => curl('/api/chain/propagation'),
  pending: () => curl('/api/transactions/pending'),
  file: () =>
    `curl -s "${location.origin}/api/transactions?data_prefix=${DIGEST}$(sha256sum FILE | cut -c1-64)"`,
};

function commandLine(text, note) {
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
  const code = h('code', { tabindex: '0', role: 'region', 'aria-label': 'Command' }, text);
  return h('div', { class: 'line' }, code, copy, note && h('span', { class: 'sub' }, note));
}

function commandButton(panel, make, name, note) {
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
    else head.after(commandLine(make(), note?.()));
  });
  head.append(button);
}
