/* The first program of the image. It loads drivers, mounts the data disk, gives the network card its address, and becomes the proxy
   (execve): the image has no other process and nothing to start one with. Everything it is told stands on the kernel's command line:
   p2pcollab.ip=10.0.2.15/24 p2pcollab.gateway=10.0.2.2 p2pcollab.arg=--announce p2pcollab.arg=host:4711 ... */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The user the proxy runs as; owns the data and nothing else. */
#define PROXY_USER 1000
#define MAX_ARGUMENTS 64

static char line[4096];
static char *options[MAX_ARGUMENTS];
static int option_count;

static void fail(const char *what) {
  fprintf(stderr, "init: %s: %s\n", what, strerror(errno));
  sync();
  reboot(LINUX_REBOOT_CMD_POWER_OFF);
  _exit(1);
}

static void read_options(void) {
  int file = open("/proc/cmdline", O_RDONLY);
  ssize_t length = file < 0 ? -1 : read(file, line, sizeof line - 1);
  if (length < 0) fail("no command line");
  close(file);
  for (char *word = strtok(line, " \n"); word != NULL; word = strtok(NULL, " \n"))
    if (strncmp(word, "p2pcollab.", 10) == 0) {
      if (option_count == MAX_ARGUMENTS) fail("too many options");
      options[option_count++] = word + 10;
    }
}

static const char *option(const char *name) {
  size_t length = strlen(name);
  for (int i = 0; i < option_count; i++)
    if (strncmp(options[i], name, length) == 0 && options[i][length] == '=') return options[i] + length + 1;
  return NULL;
}

/* Modules are named so that their order is the order in which they depend on each other. */
static void load_modules(void) {
  struct dirent **entries;
  int count = scandir("/modules", &entries, NULL, alphasort);
  for (int i = 0; i < count; i++) {
    if (entries[i]->d_name[0] == '.') continue;
    char path[300];
    snprintf(path, sizeof path, "/modules/%s", entries[i]->d_name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || syscall(SYS_finit_module, file, "", 0) != 0) fail(path);
    close(file);
  }
}

static void mount_data(void) {
  const char *disk = option("disk");
  if (disk == NULL) disk = "/dev/vda";
  struct timespec pause = {0, 10 * 1000 * 1000};
  for (int tries = 0; access(disk, F_OK) != 0 && tries < 500; tries++) nanosleep(&pause, NULL);
  if (mount(disk, "/data", "ext4", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_DIRSYNC, "") != 0) fail(disk);
  if (mkdir("/data/p2pcollab", 0700) != 0 && errno != EEXIST) fail("/data/p2pcollab");
  if (chown("/data/p2pcollab", PROXY_USER, PROXY_USER) != 0) fail("/data/p2pcollab");
}

static void set_address(struct ifreq *request, in_addr_t address) {
  struct sockaddr_in *to = (struct sockaddr_in *)&request->ifr_addr;
  memset(to, 0, sizeof *to);
  to->sin_family = AF_INET;
  to->sin_addr.s_addr = address;
}

static void bring_up(int control, const char *name) {
  struct ifreq request = {0};
  strcpy(request.ifr_name, name);
  if (ioctl(control, SIOCGIFFLAGS, &request) != 0) fail(name);
  request.ifr_flags |= IFF_UP | IFF_RUNNING;
  if (ioctl(control, SIOCSIFFLAGS, &request) != 0) fail(name);
}

static void set_network(void) {
  int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (control < 0) fail("socket");
  bring_up(control, "lo");
  const char *given = option("ip");
  if (given != NULL) {
    char text[64];
    snprintf(text, sizeof text, "%s", given);
    char *slash = strchr(text, '/');
    int bits = slash == NULL ? 24 : atoi(slash + 1);
    if (slash != NULL) *slash = '\0';
    struct in_addr address;
    if (bits < 1 || bits > 32 || inet_pton(AF_INET, text, &address) != 1) fail("p2pcollab.ip");
    struct ifreq request = {0};
    strcpy(request.ifr_name, "eth0");
    set_address(&request, address.s_addr);
    if (ioctl(control, SIOCSIFADDR, &request) != 0) fail("eth0");
    set_address(&request, htonl(0xffffffffu << (32 - bits)));
    if (ioctl(control, SIOCSIFNETMASK, &request) != 0) fail("eth0");
  }
  bring_up(control, "eth0");
  const char *gateway = option("gateway");
  if (gateway != NULL) {
    struct rtentry route = {0};
    struct sockaddr_in *to = (struct sockaddr_in *)&route.rt_gateway;
    to->sin_family = AF_INET;
    if (inet_pton(AF_INET, gateway, &to->sin_addr) != 1) fail("p2pcollab.gateway");
    route.rt_dst.sa_family = AF_INET;
    route.rt_genmask.sa_family = AF_INET;
    route.rt_flags = RTF_UP | RTF_GATEWAY;
    if (ioctl(control, SIOCADDRT, &route) != 0) fail("p2pcollab.gateway");
  }
  close(control);
}

int main(void) {
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "") != 0) fail("/proc");
  if (mount("dev", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, "") != 0 && errno != EBUSY) fail("/dev");
  int console = open("/dev/console", O_RDWR);
  if (console >= 0)
    for (int i = 0; i < 3; i++) dup2(console, i);
  if (console > 2) close(console);
  read_options();
  load_modules();
  set_network();
  mount_data();
  /* Ctrl-Alt-Del of the machine ends the proxy in order: the kernel sends it SIGINT. */
  reboot(LINUX_REBOOT_CMD_CAD_OFF);
  static char *arguments[MAX_ARGUMENTS + 16] = {
      "/bin/node", "--permission", "--allow-addons", "--disable-warning=SecurityWarning", "--allow-fs-read=/app",
      "--allow-fs-read=/data", "--allow-fs-write=/data", "/app/p2pcollab-proxy.mjs", "node", "--proxy", "--data-dir",
      "/data/p2pcollab"};
  int count = 12;
  for (int i = 0; i < option_count; i++)
    if (strncmp(options[i], "arg=", 4) == 0) arguments[count++] = options[i] + 4;
  if (chdir("/data") != 0) fail("/data");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || setgid(PROXY_USER) != 0 || setuid(PROXY_USER) != 0) fail("user");
  char *environment[] = {"HOME=/data", NULL};
  execve("/bin/node", arguments, environment);
  fail("/bin/node");
}
