/**
 * The web server of the time site, as user data: it tells the time, the size of its machine and the machine's name, in what every Debian has. It is
 * a unit, so that it comes back with each start. `/work` keeps a processor busy for a fifth of a second, `/stop` ends the server after its answer, and
 * `/via/NAME` asks the site NAME as a client in the VPC does: through its resolver, at the first address that it gives.
 */
export const serverUserData = `#!/bin/bash
cat > /usr/local/bin/whatisthetime <<'SERVER'
#!/usr/bin/perl
use IO::Socket::INET;
use Socket;
use Time::HiRes qw(time);
my $server = IO::Socket::INET->new(LocalPort => 80, Listen => 128, ReuseAddr => 1) or die;
my $main = $$;
$SIG{CHLD} = 'IGNORE';
$SIG{TERM} = sub { exit 0 };
sub via {
  my $packed = gethostbyname($_[0]) or return "no address";
  my $address = inet_ntoa($packed);
  my $site = IO::Socket::INET->new(PeerAddr => $address, PeerPort => 80, Timeout => 1) or return "$address does not answer";
  print $site "GET / HTTP/1.0\\r\\n\\r\\n";
  local $/; my $page = <$site>;
  return "$address says " . ($page =~ /\\r\\n\\r\\n(.*)/s)[0];
}
while (1) {
  my $client = $server->accept or next;
  next if fork;
  my ($path) = (<$client> // '') =~ /^GET (\\S+)/;
  while (<$client>) { last if /^\\r?\\n$/ }
  chomp(my $name = qx(hostname));
  open(my $info, '<', '/proc/meminfo'); my ($memory) = <$info> =~ /(\\d+)/; close $info;
  my $body = gmtime() . " memory $memory kB on $name\\n";
  if ($path =~ m{^/via/(.+)}) { $body = via($1) }
  if ($path eq '/work') { my $end = time + 0.2; 1 while time < $end }
  print $client "HTTP/1.1 200 OK\\r\\nContent-Length: " . length($body) . "\\r\\nConnection: close\\r\\n\\r\\n$body";
  close $client;
  kill 'TERM', $main if $path eq '/stop';
  exit 0;
}
SERVER
chmod +x /usr/local/bin/whatisthetime
cat > /etc/systemd/system/whatisthetime.service <<'UNIT'
[Service]
ExecStart=/usr/local/bin/whatisthetime
[Install]
WantedBy=multi-user.target
UNIT
systemctl enable --now whatisthetime
`;

/** Name of the machine that gave a page; empty when the page names none. */
export function hostOf(body: string): string {
  return / on (\S+)/.exec(body)?.[1] ?? '';
}
